function value = fmi (f, a, b)
  % FMI of grey levels in 3x3 windows, one after another (Haghighat et al. 2011, 2014).
  [m, n] = size (f);
  total = 0;
  for i = 1:m - 2
    for j = 1:n - 2
      y = f(i:i + 2, j:j + 2)(:);
      total += shared (a(i:i + 2, j:j + 2)(:), y) + shared (b(i:i + 2, j:j + 2)(:), y);
    end
  end
  value = total / (2 * (m - 2) * (n - 2));
end

function score = shared (x, y)
  if (isequal (x, y) || (max (x) == min (x) && max (y) == min (y)))
    score = 1;
    return;
  elseif (max (x) == min (x) || max (y) == min (y))
    score = 0;
    return;
  end
  p = (x - min (x)) / sum (x - min (x));
  q = (y - min (y)) / sum (y - min (y));
  k = (0:8)';
  rho = (p' * q - 1 / 9) / sqrt ((p' * p - 1 / 9) * (q' * q - 1 / 9));
  sigmas = deviation (p, k) * deviation (q, k);
  if (rho >= 0)
    cumulated = min (cumsum (p), cumsum (q)');
  else
    cumulated = max (cumsum (p) + cumsum (q)' - 1, 0);
  end
  bound = diff ([zeros(1, 10); zeros(9, 1), cumulated], 1, 1);
  bound = diff (bound, 1, 2);
  limit = k' * bound * k - (k' * p) * (k' * q);
  phi = 0;
  if (sigmas > 0)
    phi = rho * sigmas / limit;
  end
  joint = (1 - phi) * p * q' + phi * bound;
  margins = entropy (p) + entropy (q);
  score = 0;
  if (margins > 0)
    score = 2 * (margins - entropy (joint)) / margins;
  end
end

function bits = entropy (p)
  p = p(p != 0);
  bits = -sum (p .* real (log2 (p)));
end

function sigma = deviation (p, k)
  sigma = sqrt (max ((k .^ 2)' * p - (k' * p) ^ 2, 0));
end
