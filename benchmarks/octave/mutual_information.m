function bits = mutual_information (x, y)
  % I = sum p(x,y) log2 (p(x,y) / (p(x) p(y))).
  p = joint_histogram (x, y);
  apart = sum (p, 2) * sum (p, 1);
  there = p > 0;
  bits = sum (p(there) .* log2 (p(there) ./ apart(there)));
end
