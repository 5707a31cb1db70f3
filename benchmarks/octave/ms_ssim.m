function value = ms_ssim (f, a, b)
  % Mean of the multi-scale SSIM to A and to B (Wang, Simoncelli, Bovik 2003, Eq. 7).
  value = (index (a, f) + index (b, f)) / 2;
end

function value = index (x, y)
  weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
  c1 = (0.01 * 255) ^ 2;
  c2 = (0.03 * 255) ^ 2;
  w = gaussian_window (11, 1.5);
  value = 1;
  for scale = 1:5
    [mx, my, vx, vy, cxy] = window_statistics (x, y, w);
    map = (2 * cxy + c2) ./ (vx + vy + c2);
    if (scale == 5)
      map .*= (2 * mx .* my + c1) ./ (mx .^ 2 + my .^ 2 + c1);
    end
    value *= max (mean (map(:)), 0) ^ weights(scale);
    x = halved (x);
    y = halved (y);
  end
end

function x = halved (x)
  x = filter2 (ones (2) / 4, x, "valid")(1:2:end, 1:2:end);
end
