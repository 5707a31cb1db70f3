function compare (folder)
  % Measure the images in FOLDER/task.mat by the metrics named there; benchmarks/metrics.py has it.
  % Prints a line a metric and pair: name, value, least CPU seconds on the first pair.
  fftw ("threads", 1);
  task = load (fullfile (folder, "task.mat"));
  for n = 1:numel (task.names)
    for pair = 1:size (task.fused, 3)
      images = {task.fused(:, :, pair), task.ct(:, :, pair), task.mr(:, :, pair)};
      start = cputime ();
      value = feval (task.names{n}, images{:});
      if (pair == 1)
        seconds = least_seconds (cputime () - start, task, @() feval (task.names{n}, images{:}));
      end
      printf ("%s %.17g %.9g\n", task.names{n}, value, seconds);
    end
  end
end

function result = least_seconds (first, task, call)
  % The first turn reads the function; it counts only where it exhausts the patience.
  if (first > task.patience_s)
    result = first;
    return;
  end
  seconds = [];
  while (numel (seconds) < task.turns && sum (seconds) < task.patience_s)
    start = cputime ();
    call ();
    seconds(end + 1) = cputime () - start;
  end
  result = min (seconds);
end
