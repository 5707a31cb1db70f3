function value = q_w (f, a, b)
  % Q_W: windows weighted by the variance of the livelier source (Piella, Heijmans 2003).
  w = ones (8) / 64;
  [qa, va] = uqi_map (a, f, w);
  [qb, vb] = uqi_map (b, f, w);
  lambda = va ./ (va + vb);
  lambda(va + vb == 0) = 0.5;
  map = lambda .* qa + (1 - lambda) .* qb;
  c = max (va, vb);
  value = sum (map(:) .* c(:)) / sum (c(:));
end
