function value = q_te (f, a, b)
  % Q_TE: Tsallis' information over that of the sources, q = 0.43137 (Nava et al. 2007).
  q = 0.43137;
  above = tsallis (a, f, q) + tsallis (b, f, q);
  value = above / (en (a) ^ q + en (b) ^ q + tsallis (a, b, q));
end

function information = tsallis (x, y, q)
  p = joint_histogram (x, y);
  apart = sum (p, 2) * sum (p, 1);
  there = p > 0;
  information = (1 - sum (p(there) .^ q ./ apart(there) .^ (q - 1))) / (1 - q);
end
