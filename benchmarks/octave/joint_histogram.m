function p = joint_histogram (x, y)
  % Joint distribution of the 256 grey levels of two images.
  p = accumarray ([x(:), y(:)] + 1, 1, [256, 256]) / numel (x);
end
