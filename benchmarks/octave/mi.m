function value = mi (f, a, b)
  % MI = I(A;F) + I(B;F) (Qu, Zhang, Yan 2002).
  value = mutual_information (a, f) + mutual_information (b, f);
end
