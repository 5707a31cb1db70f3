function value = q_cb (f, a, b)
  % Q_CB: preserved local contrast as the eye sees it (Chen, Blum 2009).
  cf = masked_contrast (stretched (f / 255));
  ca = masked_contrast (stretched (a / 255));
  cb = masked_contrast (stretched (b / 255));
  lambda = ca .^ 2 ./ (ca .^ 2 + cb .^ 2);
  lambda(ca .^ 2 + cb .^ 2 == 0) = 0.5;
  map = lambda .* preserved (ca, cf) + (1 - lambda) .* preserved (cb, cf);
  value = mean (map(:));
end

function c = masked_contrast (x)
  [m, n] = size (x);
  [u, v] = meshgrid (-floor (n / 2):ceil (n / 2) - 1, -floor (m / 2):ceil (m / 2) - 1);
  r = ifftshift (sqrt (u .^ 2 + v .^ 2)) / 15;
  s = exp (-(r / 15.3870) .^ 2) - 0.7622 * exp (-(r / 1.3456) .^ 2);
  x = real (ifft2 (fft2 (x) .* s));
  fine = conv2 (x, gaussian (2), "same");
  coarse = conv2 (x, gaussian (4), "same");
  c = abs (fine ./ coarse - 1);
  c(coarse == 0) = 0;
  c = c .^ 3 ./ (c .^ 2 + 0.0001);
end

function g = gaussian (sigma)
  [x, y] = meshgrid (-15:15);
  g = exp (-(x .^ 2 + y .^ 2) / (2 * sigma ^ 2)) / (2 * pi * sigma ^ 2);
end

function q = preserved (c, cf)
  q = min (c, cf) ./ max (c, cf);
  q(max (c, cf) == 0) = 1;
end
