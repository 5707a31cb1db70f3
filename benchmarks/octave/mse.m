function value = mse (f, a, b)
  % Mean squared error, averaged over both sources.
  value = (mean (mean ((f - a) .^ 2)) + mean (mean ((f - b) .^ 2))) / 2;
end
