function w = gaussian_window (side, sigma)
  % Gaussian window of sum 1, as fspecial ("gaussian", side, sigma).
  [x, y] = meshgrid ((1:side) - (side + 1) / 2);
  w = exp (-(x .^ 2 + y .^ 2) / (2 * sigma ^ 2));
  w = w / sum (w(:));
end
