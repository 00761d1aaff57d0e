// Hostile layers applied to a root: whatever they hold, nothing outside of the root changes, the same bytes give the
// same tree whichever system calls there are, and what was made can be removed.
#include "cooper/base/stream.hpp"

#include "build/apply/layer_applier.hpp"
#include "build/apply/removal.hpp"
#include "build/tree_listing.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/tar_checksums.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace cooper;
using cooper::fuzz::check;

namespace {

const std::string kNextLayer(512, '\n');  // between the layers of one input; as the hostile corpus is dumped

/// A directory with a canary beside the root; made once.
struct Scene {
    Scene() {
        std::filesystem::create_directories(canary / "dir");
        std::ofstream(canary / "passwd") << "root:x:0:0\n";
        std::filesystem::create_symlink("passwd", canary / "link");
        const timespec long_ago[2] = {{1'000'000'000, 1}, {1'000'000'000, 1}};
        for (const char* name : {"passwd", "link", "dir", ""}) {
            utimensat(AT_FDCWD, (canary / name).c_str(), long_ago, AT_SYMLINK_NOFOLLOW);
        }
        before = testing::tree_text(canary, true);
        descriptor = FileDescriptor(open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }

    TempDirectory directory{"cooper-fuzz-apply"};
    std::filesystem::path canary = directory.path() / "canary";
    std::filesystem::path root = directory.path() / "root";
    std::string before;
    FileDescriptor descriptor;
};

/// Links that name "/canary" or "../canary" as the corpus does lead there from the root.
std::vector<std::string_view> layers_of(std::string_view input) {
    std::vector<std::string_view> layers;
    for (std::size_t end = 0; (end = input.find(kNextLayer)) != std::string_view::npos && layers.size() < 4;) {
        layers.push_back(input.substr(0, end));
        input.remove_prefix(end + kNextLayer.size());
    }
    layers.push_back(input);
    return layers;
}

/// The tree, or nothing when the layers are refused.
std::string apply(const Scene& scene, std::string_view input, build::Directories::Kernel kernel) {
    const timespec epoch[2] = {{1, 0}, {1, 0}};
    mkdir(scene.root.c_str(), 0700);
    utimensat(AT_FDCWD, scene.root.c_str(), epoch, 0);
    build::ApplyOptions options;
    options.limits = {200, 1000, 4096, 16 * 1024};
    options.max_layer_bytes = 1 << 20;
    std::string tree;
    fuzz::expect_only_errors([&] {
        build::LayerApplier applier(FileDescriptor(open(scene.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                                    options, kernel);
        for (const auto layer : layers_of(input)) {
            MemorySource tar(layer);
            applier.apply(tar, Run());
        }
        applier.finish(Run());
        tree = testing::tree_text(scene.root);
    });
    check(testing::tree_text(scene.canary, true) == scene.before, "nothing outside changes");
    check(build::remove_tree(scene.descriptor.get(), "root", "root"), "what was made can be removed");
    return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Scene scene;
    const std::string input = fuzz::with_checksums(std::string(fuzz::text_of(data, size)));
    const auto newest = apply(scene, input, build::Directories::Kernel::Newest);
    const auto older = apply(scene, input, build::Directories::Kernel::WithoutOpenat2);
    check(newest == older, "openat2 and the walk give the same tree");
    return 0;
}
