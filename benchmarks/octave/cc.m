function value = cc (f, a, b)
  % Correlation with the sources, averaged over both.
  value = (correlation (f, a) + correlation (f, b)) / 2;
end
