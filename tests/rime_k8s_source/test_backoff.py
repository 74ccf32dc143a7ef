from rime_k8s_source.backoff import Backoff


def test_the_pauses_double_up_to_half_a_minute():
    backoff = Backoff(chance=lambda: 0.0)

    assert [backoff.pause() for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_each_is_cut_at_random_by_up_to_a_half():
    backoff = Backoff(chance=lambda: 1.0)

    assert [backoff.pause() for _ in range(3)] == [0.4, 0.8, 1.6]


def test_an_answer_begins_them_anew():
    backoff = Backoff(chance=lambda: 0.0)
    backoff.pause()
    backoff.pause()
    backoff.reset()

    assert backoff.pause() == 0.8
