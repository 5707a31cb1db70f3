function value = viff (f, a, b)
  % VIFF: the source with the smaller gain stands for both, window by window (Han et al. 2013).
  weights = [1, 0, 0.15, 1] / 2.15;
  noise = 0.005 * 255 ^ 2;
  least = 1e-7;
  value = 0;
  for scale = 1:4
    side = 2 ^ (5 - scale) + 1;
    w = gaussian_window (side, side / 5);
    if (scale > 1)
      f = filter2 (w, f, "valid")(1:2:end, 1:2:end);
      a = filter2 (w, a, "valid")(1:2:end, 1:2:end);
      b = filter2 (w, b, "valid")(1:2:end, 1:2:end);
    end
    [ga, kept_a, there_a] = vif_channel (a, f, w, noise);
    [gb, kept_b, there_b] = vif_channel (b, f, w, noise);
    kept = kept_b;
    there = there_b;
    kept(ga < gb) = kept_a(ga < gb);
    there(ga < gb) = there_a(ga < gb);
    value += weights(scale) * sum (kept(:) + least) / sum (there(:) + least);
  end
end
