function value = nmi_joint (f, a, b)
  % Mean over both sources of I(S;F) / H(S,F) (Studholme, Hill, Hawkes 1999, less 1).
  value = 0;
  for source = {a, b}
    together = entropy_bits (joint_histogram (source{1}, f));
    value += mutual_information (source{1}, f) / together / 2;
  end
end
