function r = correlation (x, y)
  % Pearson's correlation of two images.
  x = x - mean (x(:));
  y = y - mean (y(:));
  r = sum (sum (x .* y)) / sqrt (sum (sum (x .^ 2)) * sum (sum (y .^ 2)));
end
