"""One command, measured: wall time, CPU of everything it waited for, peak memory of its largest process, and how busy others were."""

import os
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Sample:
    def __init__(self, wall, cpu, peak_mib, noise):
        self.wall, self.cpu, self.peak_mib, self.noise = wall, cpu, peak_mib, noise


def busy_seconds():
    """CPU seconds that the machine has worked since it was started."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def cpu_of(pids):
    """CPU seconds of services, so that their part of the work is not taken for noise."""
    total = 0.0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15])) / TICKS
        except OSError:
            pass
    return total


def run(command, environment, services, scratch):
    """`command` is a list, or a list of lists run one after the other (their times add up, their peaks do not)."""
    steps = command if isinstance(command[0], list) else [command]
    report = os.path.join(scratch, "time")
    wall = cpu = 0.0
    peak = 0
    served, worked = cpu_of(services), busy_seconds()
    for step in steps:
        begun = time.perf_counter()
        # Through GNU time: what Python forks itself would be charged with Python's own peak.
        done = subprocess.run(["time", "-f", "%U %S %M", "-o", report, *step], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        wall += time.perf_counter() - begun
        if done.returncode != 0:
            raise RuntimeError("%s ended with %d: %s" % (" ".join(step), done.returncode, done.stdout.decode(errors="replace")[-1500:]))
        with open(report, encoding="ascii") as said:
            user, system, kib = said.read().split()[-3:]
        cpu += float(user) + float(system)
        peak = max(peak, int(kib))
    noise = busy_seconds() - worked - cpu - (cpu_of(services) - served)
    return Sample(wall, cpu, peak / 1024, max(0.0, noise))


class Summary:
    """Medians of the rounds; the first round is the warm-up and does not count when there are more."""

    def __init__(self, samples):
        counted = samples[1:] if len(samples) > 1 else samples
        self.rounds = len(counted)
        self.wall = statistics.median(sample.wall for sample in counted)
        self.best = min(sample.wall for sample in counted)
        self.cpu = statistics.median(sample.cpu for sample in counted)
        self.peak_mib = max(sample.peak_mib for sample in counted)
        self.noise = statistics.median(sample.noise for sample in counted)
