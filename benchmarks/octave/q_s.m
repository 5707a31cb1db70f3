function value = q_s (f, a, b)
  % Q: the index in 8x8 windows, sources weighted by their variance (Piella, Heijmans 2003).
  w = ones (8) / 64;
  [qa, va] = uqi_map (a, f, w);
  [qb, vb] = uqi_map (b, f, w);
  lambda = va ./ (va + vb);
  lambda(va + vb == 0) = 0.5;
  map = lambda .* qa + (1 - lambda) .* qb;
  value = mean (map(:));
end
