function value = q_y (f, a, b)
  % Q_Y: where the sources differ, the better match counts (Yang et al. 2008).
  w = gaussian_window (7, 1.5);
  [qa, va] = uqi_map (a, f, w);
  [qb, vb] = uqi_map (b, f, w);
  lambda = va ./ (va + vb);
  lambda(va + vb == 0) = 0.5;
  map = max (qa, qb);
  alike = uqi_map (a, b, w) >= 0.75;
  both = lambda .* qa + (1 - lambda) .* qb;
  map(alike) = both(alike);
  value = mean (map(:));
end
