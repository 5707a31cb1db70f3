function value = q_sf (f, a, b)
  % (SF_F - SF_R) / SF_R over four directions (Zheng et al. 2007).
  sf_f = spatial_frequency (steps (f));
  sf_r = spatial_frequency (cellfun (@max, steps (a), steps (b), "UniformOutput", false));
  value = (sf_f - sf_r) / sf_r;
end

function d = steps (x)
  wd = 1 / sqrt (2);
  d = {(x(:, 2:end) - x(:, 1:end - 1)) .^ 2, ...
       (x(2:end, :) - x(1:end - 1, :)) .^ 2, ...
       wd * (x(2:end, 2:end) - x(1:end - 1, 1:end - 1)) .^ 2, ...
       wd * (x(2:end, 1:end - 1) - x(1:end - 1, 2:end)) .^ 2};
end

function value = spatial_frequency (d)
  value = sqrt (sum (cellfun (@(part) sum (part(:)), d)));
end
