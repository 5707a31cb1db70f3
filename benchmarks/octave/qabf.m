function value = qabf (f, a, b)
  % Q^AB/F (Xydeas, Petrovic 2000).
  [gf, af] = edges (f);
  [ga, aa] = edges (a);
  [gb, ab] = edges (b);
  qa = preserved (ga, aa, gf, af);
  qb = preserved (gb, ab, gf, af);
  value = sum (sum (qa .* ga + qb .* gb)) / sum (sum (ga + gb));
end

function [g, alpha] = edges (x)
  sx = conv2 (x, [-1, 0, 1; -2, 0, 2; -1, 0, 1], "same");
  sy = conv2 (x, [1, 2, 1; 0, 0, 0; -1, -2, -1], "same");
  g = sqrt (sx .^ 2 + sy .^ 2);
  alpha = atan (sy ./ sx);
  alpha(sx == 0) = pi / 2;
end

function q = preserved (g, alpha, gf, af)
  strength = min (g, gf) ./ max (g, gf);
  strength(g == gf) = gf(g == gf);
  angle = 1 - abs (alpha - af) / (pi / 2);
  qg = 0.9994 ./ (1 + exp (-15 * (strength - 0.5)));
  qa = 0.9879 ./ (1 + exp (-22 * (angle - 0.8)));
  q = qg .* qa;
end
