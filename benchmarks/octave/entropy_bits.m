function bits = entropy_bits (p)
  % H = -sum p log2 p of a distribution of any shape.
  p = p(p > 0);
  bits = -sum (p .* log2 (p));
end
