function value = uqi (f, a, b)
  % Mean of the universal quality index to both sources, 8x8 windows (Wang, Bovik 2002).
  w = ones (8) / 64;
  value = (mean (uqi_map (a, f, w)(:)) + mean (uqi_map (b, f, w)(:))) / 2;
end
