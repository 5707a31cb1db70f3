function value = sd (f, a, b)
  % Standard deviation of the grey levels.
  value = sqrt (mean (mean ((f - mean (f(:))) .^ 2)));
end
