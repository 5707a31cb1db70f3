function x = stretched (x)
  % The image in whole grey levels that fill 0..255.
  low = min (x(:));
  high = max (x(:));
  x = round ((x - low) / (high - low) * 255);
end
