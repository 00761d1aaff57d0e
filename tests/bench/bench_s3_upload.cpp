// How fast an upload leaves: bench_s3_upload ENDPOINT FILE [PART_MIB] [PARALLEL] [ROUNDS]. Any credentials, to a null
// end such as bench_null_s3; prints seconds and GB/s of each round, and of CRC-64/NVME alone.
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace cooper;  // NOLINT(google-build-using-namespace)

namespace {

template <class Body>
double seconds_of(Body&& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void measure_crc() {
    const std::vector<std::byte> bytes(64U << 20, std::byte{0x5A});
    std::uint64_t crc = s3::crc64nvme(bytes);
    constexpr int kRounds = 20;
    const double seconds = seconds_of([&] {
        for (int i = 0; i < kRounds; ++i) {
            crc = s3::crc64nvme(bytes, crc);
        }
    });
    std::printf("crc64nvme  %.1f GB/s (%016llx)\n", kRounds * static_cast<double>(bytes.size()) / seconds / 1e9,
                static_cast<unsigned long long>(crc));
}

int run(int count, char** arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: bench_s3_upload ENDPOINT FILE [PART_MIB] [PARALLEL] [ROUNDS]\n");
        return 2;
    }
    const auto number = [&](int index, unsigned long fallback) {
        return count > index ? std::strtoul(arguments[index], nullptr, 10) : fallback;
    };
    s3::Settings settings;
    settings.endpoint = arguments[1];
    const auto http = make_http_client({}, Environment::process());
    const auto credentials =
        s3::make_fixed_credentials({"AKIDEXAMPLE", Secret("secret"), Secret(), std::nullopt, "bench"});
    s3::Bucket bucket("b00", settings, *http, *credentials);
    const FileRanged file(arguments[2]);
    const auto part = static_cast<std::uint64_t>(number(3, 16)) << 20;
    const auto parallel = static_cast<unsigned>(number(4, 4));
    measure_crc();
    for (unsigned long round = 0; round < number(5, 5); ++round) {
        const double seconds = seconds_of([&] { s3::upload(bucket, "k", file, {}, {}, Run{}, part, parallel); });
        std::printf("upload     %.3f s  %.2f GB/s\n", seconds, static_cast<double>(file.size()) / seconds / 1e9);
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        return run(count, arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
