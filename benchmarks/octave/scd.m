function value = scd (f, a, b)
  % Sum of the correlations of differences (Aslantas, Bendes 2015).
  value = correlation (f - b, a) + correlation (f - a, b);
end
