function value = vif (f, a, b)
  % VIFp(A,F) + VIFp(B,F) in the pixel domain, four scales (Sheikh, Bovik 2006).
  value = vifp (a, f) + vifp (b, f);
end

function value = vifp (x, y)
  kept = 0;
  there = 0;
  for scale = 1:4
    side = 2 ^ (5 - scale) + 1;
    w = gaussian_window (side, side / 5);
    if (scale > 1)
      x = filter2 (w, x, "valid")(1:2:end, 1:2:end);
      y = filter2 (w, y, "valid")(1:2:end, 1:2:end);
    end
    [~, numerator, denominator] = vif_channel (x, y, w, 2);
    kept += sum (numerator(:));
    there += sum (denominator(:));
  end
  value = kept / there;
end
