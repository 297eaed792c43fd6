// Writes appear whole or not at all; reads say what went wrong.
#include "ken/base/files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <iterator>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::files_test_file {
namespace {

size_t entries(const fs::path& folder) { return size_t(std::distance(fs::directory_iterator(folder), {})); }

TEST(FilesTest, AWrittenFileReadsBack) {
  const fs::path path = test::scratch("files") / "deep" / "er" / "a.txt";
  write_text(path, "first");
  write_text(path, "second");
  EXPECT_EQ(read_text(path), "second");
  EXPECT_EQ(entries(path.parent_path()), 1u);
}

TEST(FilesTest, AFullDiskIsAnErrorAndKeepsTheOldFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const fs::path folder = test::scratch("files-full");
  write_text(folder / "old.txt", "kept");
  EXPECT_THROW(write_text("/dev/full", "lost"), Error);
  EXPECT_TRUE(fs::exists("/dev/full"));
  // A write that fails half way: the error leaves the scope, the temporary goes, the old file stays.
  try {
    AtomicFile file(folder / "old.txt");
    file.write("new");
    write_text("/dev/full", "lost");
    file.commit();
    FAIL() << "a full disk went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/dev/full"), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_text(folder / "old.txt"), "kept");
  EXPECT_EQ(entries(folder), 1u);
}

TEST(FilesTest, WithoutCommitNothingIsLeft) {
  const fs::path folder = test::scratch("files-abandoned");
  {
    AtomicFile file(folder / "a.txt");
    file.write("half");
  }
  EXPECT_EQ(entries(folder), 0u);
}

TEST(FilesTest, AReaderSeesTheOldFileUntilTheCommit) {
  const fs::path path = test::scratch("files-atomic") / "a.txt";
  write_text(path, "old");
  AtomicFile file(path);
  file.write("new");
  EXPECT_EQ(read_text(path), "old");
  file.commit();
  EXPECT_EQ(read_text(path), "new");
}

TEST(FilesTest, AFolderThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(write_text(test::scratch("files-folder"), "x"), Error);
  EXPECT_THROW(write_text("/proc/no-such-folder/a.txt", "x"), Error);
}

TEST(FilesTest, ReadingNamesThePathAndHonoursTheLimit) {
  const fs::path folder = test::scratch("files-read");
  write_text(folder / "a.txt", "12345");
  EXPECT_EQ(read_text(folder / "a.txt", 5), "12345");
  EXPECT_THROW(read_text(folder / "a.txt", 4), Error);
  try {
    read_text(folder / "none.txt");
    FAIL() << "a missing file went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("none.txt"), std::string::npos);
  }
  EXPECT_THROW(MappedFile(folder / "none.txt"), Error);
  EXPECT_THROW(MappedFile{folder}, Error);
}

TEST(FilesTest, AMappingHoldsTheBytesAndAnEmptyFileMapsToNone) {
  const fs::path folder = test::scratch("files-map");
  write_text(folder / "a", "abc");
  write_text(folder / "empty", "");
  EXPECT_EQ(MappedFile(folder / "a").bytes().size(), 3u);
  EXPECT_EQ(MappedFile(folder / "a").bytes()[1], std::byte{'b'});
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(FilesTest, AppendedLinesFollowEachOther) {
  const fs::path path = test::scratch("files-append") / "rows.jsonl";
  append_text(path, "1\n");
  append_text(path, "2\n");
  EXPECT_EQ(read_text(path), "1\n2\n");
}

TEST(FilesTest, HashesAreTheStandardsExamples) {
  const fs::path path = test::scratch("files-hash") / "abc";
  write_text(path, "abc");
  EXPECT_EQ(sha256_file(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace ken::files_test_file
