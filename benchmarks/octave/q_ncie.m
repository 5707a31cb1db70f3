function value = q_ncie (f, a, b)
  % Q_NCIE = 1 + sum lambda/3 log_256 (lambda/3) (Wang, Shen, Jin 2008).
  ab = mutual_information (a, b) / 8;
  af = mutual_information (a, f) / 8;
  bf = mutual_information (b, f) / 8;
  lambda = eig ([1, ab, af; ab, 1, bf; af, bf, 1]) / 3;
  value = 1 + sum (lambda .* log (lambda)) / log (256);
end
