function value = q_m (f, a, b)
  % Q_M: edges preserved at two scales of the Haar wavelet (Wang, Liu 2008).
  value = 1;
  for weight = [2, 1] / 3
    [f, df] = haar (f);
    [a, da] = haar (a);
    [b, db] = haar (b);
    wa = sum (da .^ 2, 3);
    wb = sum (db .^ 2, 3);
    ea = sum (exp (-abs (da - df)), 3);
    eb = sum (exp (-abs (db - df)), 3);
    value *= (sum (sum (ea .* wa + eb .* wb)) / sum (wa(:) + wb(:))) ^ weight;
  end
end

function [coarse, detail] = haar (x)
  p = x(1:2:end, 1:2:end);
  q = x(1:2:end, 2:2:end);
  r = x(2:2:end, 1:2:end);
  s = x(2:2:end, 2:2:end);
  coarse = (p + q + r + s) / 2;
  detail = cat (3, p - q + r - s, p + q - r - s, p - q - r + s) / 2;
end
