function [pc, largest, smallest] = phase_congruency (x)
  % Phase congruency and its moments, four scales, six orientations (Kovesi 1999, 2003).
  [m, n] = size (x);
  [u, v] = meshgrid ((-floor (n / 2):ceil (n / 2) - 1) / n, (-floor (m / 2):ceil (m / 2) - 1) / m);
  radius = ifftshift (sqrt (u .^ 2 + v .^ 2));
  theta = ifftshift (atan2 (-v, u));
  lowpass = 1 ./ (1 + (radius / 0.45) .^ 30);
  radius(1, 1) = 1;
  spectrum = fft2 (x);
  energies = amplitudes = zeros (m, n);
  xx = yy = xy = zeros (m, n);
  for orientation = 0:5
    angle = orientation * pi / 6;
    ds = sin (theta) * cos (angle) - cos (theta) * sin (angle);
    dc = cos (theta) * cos (angle) + sin (theta) * sin (angle);
    spread = exp (-atan2 (ds, dc) .^ 2 / (2 * (pi / 6 / 1.2) ^ 2));
    even = zeros (m, n);
    for scale = 1:4
      gabor = exp (-log (radius * 3 * 2.1 ^ (scale - 1)) .^ 2 / (2 * log (0.55) ^ 2));
      gabor(1, 1) = 0;
      filters{scale} = gabor .* lowpass .* spread;
      responses{scale} = ifft2 (spectrum .* filters{scale});
      even += real (ifft2 (filters{scale})) * sqrt (m * n);
    end
    total = sum (cat (3, responses{:}), 3);
    sizes = abs (cat (3, responses{:}));
    amplitude = sum (sizes, 3);
    unit = total ./ (abs (total) + 1e-4);
    energy = zeros (m, n);
    for scale = 1:4
      along = real (responses{scale}) .* real (unit) + imag (responses{scale}) .* imag (unit);
      across = real (responses{scale}) .* imag (unit) - imag (responses{scale}) .* real (unit);
      energy += along - abs (across);
    end
    power = median (sizes(:, :, 1)(:) .^ 2) / log (2) / sum (filters{1}(:) .^ 2);
    tau = sqrt (power * sum (even(:) .^ 2));
    threshold = tau * (sqrt (pi / 2) + 2 * sqrt (2 - pi / 2)) / 1.7;
    width = amplitude ./ (max (sizes, [], 3) + 1e-4) / 4;
    energy = max (energy - threshold, 0) ./ (1 + exp (10 * (0.5 - width)));
    energies += energy;
    amplitudes += amplitude;
    pc = energy ./ amplitude;
    pc(amplitude == 0) = 0;
    xx += (pc * cos (angle)) .^ 2 / 6;
    yy += (pc * sin (angle)) .^ 2 / 6;
    xy += pc .^ 2 * cos (angle) * sin (angle) / 6;
  end
  pc = energies ./ (amplitudes + 1e-4);
  root = sqrt (xy .^ 2 + 4 * (xx - yy) .^ 2) + 1e-4;
  largest = (2 * (xx + yy) + root) / 2;
  smallest = (2 * (xx + yy) - root) / 2;
end
