function value = en (f, a, b)
  % Entropy of the fused image (Shannon 1948).
  value = entropy_bits (accumarray (f(:) + 1, 1, [256, 1]) / numel (f));
end
