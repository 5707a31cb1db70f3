function [mx, my, vx, vy, cxy] = window_statistics (x, y, w)
  % Means, variances and covariance in every window that lies wholly inside the images.
  mx = filter2 (w, x, "valid");
  my = filter2 (w, y, "valid");
  vx = filter2 (w, x .^ 2, "valid") - mx .^ 2;
  vy = filter2 (w, y .^ 2, "valid") - my .^ 2;
  cxy = filter2 (w, x .* y, "valid") - mx .* my;
  % What rounding leaves in constant windows.
  cxy(vx < 1e-8 | vy < 1e-8) = 0;
  vx(vx < 1e-8) = 0;
  vy(vy < 1e-8) = 0;
end
