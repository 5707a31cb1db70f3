function value = mef_ssim (f, a, b)
  % MEF-SSIM at one scale, 11x11 windows one after another (Ma, Zeng, Wang 2015).
  side = 11;
  c = (0.03 * 255) ^ 2;
  w = gaussian_window (side, 1.5)(:);
  [m, n] = size (f);
  map = zeros (m - side + 1, n - side + 1);
  for i = 1:m - side + 1
    for j = 1:n - side + 1
      rows = i:i + side - 1;
      columns = j:j + side - 1;
      y = f(rows, columns)(:);
      r = desired (a(rows, columns)(:), b(rows, columns)(:), side);
      r = r - w' * r;
      y = y - w' * y;
      map(i, j) = (2 * (w' * (r .* y)) + c) / (w' * r .^ 2 + w' * y .^ 2 + c);
    end
  end
  value = mean (map(:));
end

function r = desired (x1, x2, side)
  x1 = x1 - mean (x1);
  x2 = x2 - mean (x2);
  n1 = norm (x1);
  n2 = norm (x2);
  if (n1 + n2 == 0)
    r = zeros (size (x1));
    return;
  end
  consistency = norm (x1 + x2) / (n1 + n2);
  p = tan (pi / 2 * min (consistency, 2 / pi * atan (10)));
  e1 = n1 + 0.001;
  e2 = n2 + 0.001;
  r = (e1 / side) ^ p * x1 / e1 + (e2 / side) ^ p * x2 / e2;
  if (norm (r) > 0)
    r = r * max (e1, e2) / norm (r);
  end
end
