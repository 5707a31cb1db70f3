function value = nmi (f, a, b)
  % Mean over both sources of 2 I / (H + H): half of Q_MI.
  value = q_mi (f, a, b) / 2;
end
