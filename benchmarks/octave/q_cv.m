function value = q_cv (f, a, b)
  % Q_CV: perceived squared error of 16x16 regions by their edge strength (Chen, Varshney 2007).
  f = stretched (f);
  a = stretched (a);
  b = stretched (b);
  csf = sensitivity (size (f));
  da = real (ifft2 (fft2 (a - f) .* csf));
  db = real (ifft2 (fft2 (b - f) .* csf));
  ga = edges (a) .^ 5;
  gb = edges (b) .^ 5;
  above = 0;
  below = 0;
  for i = 1:16:size (f, 1)
    for j = 1:16:size (f, 2)
      rows = i:min (i + 15, size (f, 1));
      columns = j:min (j + 15, size (f, 2));
      la = sum (sum (ga(rows, columns)));
      lb = sum (sum (gb(rows, columns)));
      above += la * sum (sum (da(rows, columns) .^ 2)) / 256;
      above += lb * sum (sum (db(rows, columns) .^ 2)) / 256;
      below += la + lb;
    end
  end
  value = above / below;
end

function g = edges (x)
  sobel = [-1, 0, 1; -2, 0, 2; -1, 0, 1];
  g = sqrt (conv2 (x, sobel, "same") .^ 2 + conv2 (x, sobel', "same") .^ 2);
end

function s = sensitivity (shape)
  % Mannos and Sakrison 1974, at 1/4 cycle a degree for one cycle a side.
  [u, v] = meshgrid (-floor (shape(2) / 2):ceil (shape(2) / 2) - 1, ...
                     -floor (shape(1) / 2):ceil (shape(1) / 2) - 1);
  r = ifftshift (sqrt (u .^ 2 + v .^ 2)) / 4;
  s = 2.6 * (0.0192 + 0.144 * r) .* exp (-(0.144 * r) .^ 1.1);
end
