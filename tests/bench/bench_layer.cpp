// bench_layer DIRECTORY SPOOL [THREADS]: one gzip layer from a directory; prints names, sizes and seconds as JSON.
#include "cooper/build/layer.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <string>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: bench_layer DIRECTORY SPOOL [THREADS]\n", stderr);
        return 2;
    }
    cooper::build::LayerOptions options;
    options.directory = argv[1];
    options.epoch = 0;
    options.compression.gzip.threads = argc > 3 ? static_cast<unsigned>(std::stoul(argv[3])) : 0;
    cooper::build::BaseTree base;
    const auto begin = std::chrono::steady_clock::now();
    const auto layer = cooper::build::build_layer(options, base, argv[2], {});
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    std::printf(
        R"({"digest":"%s","diff_id":"%s","files":%llu,"tar_bytes":%llu,"bytes":%llu,"wall":%.3f,"cpu":%.3f,"rss_kib":%ld})"
        "\n",
        layer.descriptor.digest.text().c_str(), layer.diff_id.text().c_str(),
        static_cast<unsigned long long>(layer.files), static_cast<unsigned long long>(layer.tar_size),
        static_cast<unsigned long long>(layer.descriptor.size), wall.count(),
        seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
}
