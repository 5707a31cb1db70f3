function value = ag (f, a, b)
  % AG = 1/((M-1)(N-1)) sum sqrt ((dx^2 + dy^2) / 2) (Chen et al. 2024, Eq. 7).
  dx = diff (f(1:end - 1, :), 1, 2);
  dy = diff (f(:, 1:end - 1), 1, 1);
  value = mean (mean (sqrt ((dx .^ 2 + dy .^ 2) / 2)));
end
