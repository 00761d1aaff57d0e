// Files opened and read by a few threads before the layer needs them: opening 20,000 small files one after another
// takes longer than compressing them.
#pragma once

#include "build/layer/source_tree.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace cooper::build {

/// An opened file: what its header still lacks, and its content. The Source throws Error{Integrity} when the file
/// changed.
struct FileContent {
    std::map<std::string, std::string> xattrs;
    std::unique_ptr<Source> content;
};

/// Gives the contents of `files` in order. Borrows tree and files. Memory: kMaxBuffered and a little per file ahead.
class ReadAhead {
public:
    ReadAhead(const SourceTree& tree, std::vector<const SourceFile*> files);
    ~ReadAhead();
    /// The next file's; throws what reading it threw.
    FileContent next();

private:
    struct Slot {
        FileContent file;
        std::exception_ptr failure;
        std::size_t buffered = 0;
        bool ready = false;
    };

    void work(const std::stop_token& stop);
    [[nodiscard]] bool has_room(std::size_t files, std::size_t bytes) const;
    void fill(Slot& slot, const SourceFile& file) const;

    const SourceTree& tree_;
    std::vector<const SourceFile*> files_;
    std::mutex mutex_;
    std::condition_variable_any room_;
    std::condition_variable ready_;
    std::vector<Slot> ring_;
    std::size_t claimed_ = 0;            // files that a thread has taken on
    std::size_t consumed_ = 0;           // files handed out
    std::size_t buffered_ = 0;           // bytes of them that wait
    bool idle_ = false;                  // a thread waits for room
    std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

}  // namespace cooper::build
