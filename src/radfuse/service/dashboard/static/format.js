// Times and sizes for a reader.

const GIB = 2 ** 30;

// Time of the day, with the date where it is another day.
export function time(seconds) {
  if (!seconds) return "";
  const moment = new Date(seconds * 1000);
  const clock = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const isToday = moment.toDateString() === new Date().toDateString();
  return isToday ? clock : `${moment.toLocaleDateString()} ${clock}`;
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export function gibibytes(bytes) {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
