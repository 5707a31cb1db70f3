function value = q_c (f, a, b)
  % Q_C: the source that the fused image follows counts more (Cvejic et al. 2006).
  w = gaussian_window (7, 1.5);
  [qa, ~, ~, caf] = uqi_map (a, f, w);
  [qb, ~, ~, cbf] = uqi_map (b, f, w);
  sim = caf ./ (caf + cbf);
  sim(caf + cbf == 0) = 0.5;
  sim = min (max (sim, 0), 1);
  map = sim .* qa + (1 - sim) .* qb;
  value = mean (map(:));
end
