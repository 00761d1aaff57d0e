// Runs a fuzz target over the files of a corpus, and over each file cut short and with single bytes changed: what
// libFuzzer does in the fuzz preset is done here a little in every build.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kMutations =
    256;  // a file: enough to break each field of a small document, quick enough for each run

Input read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void replay(const Input& input) {
    LLVMFuzzerTestOneInput(input.data(), input.size());
    const std::size_t step = std::max<std::size_t>(1, input.size() / kMutations);
    for (std::size_t at = 0; at < input.size(); at += step) {
        LLVMFuzzerTestOneInput(input.data(), at);
        Input changed = input;
        changed[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
        LLVMFuzzerTestOneInput(changed.data(), changed.size());
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            replay(read(entry.path()));
            ++files;
        }
    }
    std::printf("%zu corpus files replayed\n", files);
    return files == 0 ? 1 : 0;
}
