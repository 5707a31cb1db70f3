function value = ssim (f, a, b)
  % Mean SSIM to A and to B, Gaussian windows of 11x11 (Wang et al. 2004, Eq. 13).
  value = (index (a, f) + index (b, f)) / 2;
end

function value = index (x, y)
  c1 = (0.01 * 255) ^ 2;
  c2 = (0.03 * 255) ^ 2;
  [mx, my, vx, vy, cxy] = window_statistics (x, y, gaussian_window (11, 1.5));
  map = ((2 * mx .* my + c1) .* (2 * cxy + c2)) ./ ((mx .^ 2 + my .^ 2 + c1) .* (vx + vy + c2));
  value = mean (map(:));
end
