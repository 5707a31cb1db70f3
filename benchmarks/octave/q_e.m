function value = q_e (f, a, b)
  % Q_E: Q_W of the images times Q_W of their edges (Piella, Heijmans 2003).
  value = q_w (f, a, b) * q_w (edges (f), edges (a), edges (b));
end

function g = edges (x)
  prewitt = [-1, 0, 1; -1, 0, 1; -1, 0, 1];
  g = sqrt (conv2 (x, prewitt, "same") .^ 2 + conv2 (x, prewitt', "same") .^ 2);
end
