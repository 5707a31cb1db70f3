function value = q_mi (f, a, b)
  % Q_MI = 2 (I(A;F) / (H(A) + H(F)) + I(B;F) / (H(B) + H(F))) (Hossny et al. 2008).
  of_a = mutual_information (a, f) / (en (a) + en (f));
  of_b = mutual_information (b, f) / (en (b) + en (f));
  value = 2 * (of_a + of_b);
end
