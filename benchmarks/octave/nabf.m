function value = nabf (f, a, b)
  % N^AB/F (Shreyamsha Kumar 2013): artefacts, where the fused edge is the strongest.
  [gf, af] = edges (f);
  [ga, aa] = edges (a);
  [gb, ab] = edges (b);
  qa = preserved (ga, aa, gf, af);
  qb = preserved (gb, ab, gf, af);
  wa = weight (ga);
  wb = weight (gb);
  added = gf > ga & gf > gb;
  lost = added .* ((1 - qa) .* wa + (1 - qb) .* wb);
  value = sum (lost(:)) / sum (wa(:) + wb(:));
end

function [g, alpha] = edges (x)
  % The border is mirrored about its pixels.
  x = x([2, 1:end, end - 1], [2, 1:end, end - 1]);
  sx = conv2 (x, [-1, 0, 1; -2, 0, 2; -1, 0, 1] / 8, "valid");
  sy = conv2 (x, [1, 2, 1; 0, 0, 0; -1, -2, -1] / 8, "valid");
  g = sqrt (sx .^ 2 + sy .^ 2);
  alpha = atan (sy ./ sx);
  alpha(sx == 0) = pi / 2;
end

function q = preserved (g, alpha, gf, af)
  strength = min (g, gf) ./ max (g, gf);
  strength(g == 0 | gf == 0) = 0;
  angle = abs (abs (alpha - af) - pi / 2) / (pi / 2);
  qg = 0.9999 ./ (1 + exp (-19 * (strength - 0.5)));
  qa = 0.9995 ./ (1 + exp (-22 * (angle - 0.5)));
  q = sqrt (qg .* qa);
end

function w = weight (g)
  w = g .^ 1.5;
  w(g < 2) = 0.001;
end
