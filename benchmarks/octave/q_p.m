function value = q_p (f, a, b)
  % Q_P: local correlation of phase congruency and its moments (Zhao, Laganiere, Liu 2007).
  [of_f{1:3}] = phase_congruency (f);
  [of_a{1:3}] = phase_congruency (a);
  [of_b{1:3}] = phase_congruency (b);
  first = of_a{1} > of_b{1};
  mask_a = of_a{1} > 0.1;
  mask_b = of_b{1} > 0.1;
  value = 1;
  for k = 1:3
    of_m = of_b{k};
    of_m(first) = of_a{k}(first);
    if (k == 1)
      mask_m = of_m > 0.1;
    end
    best = max (similarity (of_a{k}, of_f{k}, mask_a), similarity (of_b{k}, of_f{k}, mask_b));
    best = max (best, similarity (of_m, of_f{k}, mask_m));
    value *= sum (best(:)) / sum (mask_m(:));
  end
end

function map = similarity (x, y, mask)
  x = x .* mask;
  w = gaussian_window (11, 1.5);
  mx = filter2 (w, x);
  my = filter2 (w, y);
  vx = filter2 (w, x .^ 2) - mx .^ 2;
  vy = filter2 (w, y .^ 2) - my .^ 2;
  cxy = filter2 (w, x .* y) - mx .* my;
  map = mask .* (cxy + 1e-4) ./ (sqrt (abs (vx .* vy)) + 1e-4);
end
