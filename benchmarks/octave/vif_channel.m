function [g, kept, there] = vif_channel (x, y, w, noise)
  % Gain, and information in every window: of source X in image Y, and in X itself.
  % Sheikh, Bovik 2006: Y = g X + V, and an eye with noise of the given variance.
  silent = 1e-10;
  mx = filter2 (w, x, "valid");
  my = filter2 (w, y, "valid");
  vx = max (filter2 (w, x .^ 2, "valid") - mx .^ 2, 0);
  vy = max (filter2 (w, y .^ 2, "valid") - my .^ 2, 0);
  cxy = filter2 (w, x .* y, "valid") - mx .* my;
  g = cxy ./ (vx + silent);
  sv = vy - g .* cxy;
  g(vx < silent) = 0;
  sv(vx < silent) = vy(vx < silent);
  vx(vx < silent) = 0;
  g(vy < silent) = 0;
  sv(vy < silent) = 0;
  sv(g < 0) = vy(g < 0);
  g = max (g, 0);
  sv = max (sv, silent);
  kept = log10 (1 + g .^ 2 .* vx ./ (sv + noise));
  there = log10 (1 + vx / noise);
end
