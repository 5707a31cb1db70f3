function [q, vx, vy, cxy] = uqi_map (x, y, w)
  % Universal quality index of every window (Wang, Bovik 2002); a factor 0/0 is 1.
  [mx, my, vx, vy, cxy] = window_statistics (x, y, w);
  luminance = 2 * mx .* my ./ (mx .^ 2 + my .^ 2);
  luminance(mx .^ 2 + my .^ 2 == 0) = 1;
  structure = 2 * cxy ./ (vx + vy);
  structure(vx + vy == 0) = 1;
  q = luminance .* structure;
end
