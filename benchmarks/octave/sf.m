function value = sf (f, a, b)
  % SF = sqrt (RF^2 + CF^2) (Eskicioglu, Fisher 1995).
  rf = mean (mean (diff (f, 1, 2) .^ 2));
  cf = mean (mean (diff (f, 1, 1) .^ 2));
  value = sqrt (rf + cf);
end
