function value = psnr (f, a, b)
  % PSNR of the mean error of both sources (Chen et al. 2024, Eq. 13-15).
  value = 10 * log10 (255 ^ 2 / mse (f, a, b));
end
